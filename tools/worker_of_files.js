// Browsers give a page that was opened from a folder no worker, which the site's search runs in. So that it works there,
// too, the worker's script runs in a frame of its own.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => this.tell(structuredClone(data));
      this.ready = new Promise((done) => {
        const script = this.frame.contentDocument.createElement("script");
        script.src = new URL(url, location.href).href;
        script.onload = done;
        this.frame.contentDocument.body.append(script);
      });
    }
    async tell(data) {
    await null; // never before what asked has returned
      const event = new MessageEvent("message", { data });
      this.onmessage?.(event);
      this.dispatchEvent(event);
    }
    postMessage(data) {
      const copy = structuredClone(data); // as between threads
      this.ready.then(() => setTimeout(() => this.frame.contentWindow.onmessage({ data: copy })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
