// Where pixels come from: strokes, files, the camera, the test set.
const drawing = channels === 1 && net.ink_box > 0;
async function imageOf(blob, canvas) {
  let bitmap;
  try {
    // Turned as EXIF says by default; to say so is an error to browsers from before March 2023.
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error("this file is no picture that this browser reads"); // as HEIC and TIFF are for most
  }
  try {
    if (bitmap.width * bitmap.height > LARGEST) throw new Error("this picture has over 64 million pixels, too many for this page");
    return drawn(bitmap, bitmap.width, bitmap.height, canvas);
  } finally {
    bitmap.close(); // or it is kept until some later time, hundreds of megabytes
  }
}
// A canvas with the picture, and its pixels as they were before they lay on a ground.
function drawn(source, w, h, canvas = document.createElement("canvas")) {
  Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.drawImage(source, 0, 0);
  const image = context.getImageData(0, 0, w, h);
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = level ? "#fff" : "#000";
  context.fillRect(0, 0, w, h);
  // On an iPhone before iOS 18 a canvas of more than 16 million pixels holds nothing, without a word.
  if (!context.getImageData(0, 0, 1, 1).data[3]) throw new Error("this picture is too large for this browser");
  return { canvas, image };
}
// Against fingerprinting, some browsers give noise for a canvas's pixels without a word, as Firefox's
// resistFingerprinting does; a level or two, as others change, is let pass.
function readsPixels() {
  const wrote = new ImageData(16, 16), context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  wrote.data.forEach((_, i, data) => { data[i] = i % 4 === 3 ? 255 : 37 * i % 256; });
  context.putImageData(wrote, 0, 0);
  return context.getImageData(0, 0, 16, 16).data.every((value, i) => Math.abs(value - wrote.data[i]) < 8);
}
const isImage = blob => blob.type.startsWith("image/");
async function load(blob) {
  if (!takesPictures && isImage(blob)) return refuse("this net takes measured values, no pictures");
  if (!takesPictures && blob.size > LONGEST) return refuse(tooLong(blob.size)); // before it is read
  if (!takesPictures) return loadWindow(await blob.text());
  stopCamera();
  const turn = ++state.turn; // until it is decoded, the picture before stays, with its own answer
  $("answer").classList.add("busy");
  let made, reason;
  try {
    made = await imageOf(blob);
  } catch (error) {
    reason = error.message;
  }
  if (turn !== state.turn) return;
  if (reason) return refuse(reason);
  begin();
  display(made.canvas, made.image);
}
function display(picture, image) {
  Object.assign(state, { picture, image });
  const { pixels, frame } = fittedPicture(image);
  show(pixels, onPad(picture, frame));
}
function displaySample(canvas, pixels) {
  begin({ picture: isWindow ? null : canvas });
  show(pixels, onPad(canvas, [0, 0, width, height]));
}
function clear() {
  begin();
  show(null, null);
}

// Drawing.
let waiting = false;
function stroked() {
  redraw();
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (!state.strokes.length) return;
    const { pixels, frame } = fittedStrokes(state.strokes);
    show(pixels, frame);
  });
}
function pointOf(event) {
  const box = $("ink").getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}
if (drawing) {
  let stroke = null;
  $("ink").addEventListener("pointerdown", event => {
    if (event.button || !event.isPrimary) return; // a second finger draws nothing
    $("ink").setPointerCapture(event.pointerId);
    const strokes = state.strokes;
    begin({ strokes: [...strokes, stroke = [pointOf(event)]], frame: state.frame, chosen: strokes.length ? state.chosen : null });
    stroked();
  });
  $("ink").addEventListener("pointermove", event => {
    if (!stroke || !event.isPrimary) return;
    stroke.push(...(event.getCoalescedEvents?.() || [event]).map(pointOf));
    stroked();
  });
  for (const end of ["pointerup", "pointercancel"]) $("ink").addEventListener(end, event => { if (event.isPrimary) stroke = null; });
} else {
  $("ink").classList.add("still");
}

// The camera: each frame goes the way of a picture.
const live = { stream: null, video: document.createElement("video"), canvas: document.createElement("canvas"),
  cameras: [], wanted: [{ facingMode: "environment" }] }; // of which the first that there is
Object.assign(live.video, { muted: true, playsInline: true });
async function cameraOf([first, ...others]) {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { ...first, width: { ideal: 640 } } });
  } catch (error) {
    if (error.name !== "OverconstrainedError" || !others.length) throw error;
    return cameraOf(others);
  }
}
async function startCamera() {
  clear();
  const turn = state.turn;
  let stream;
  try {
    stream = await cameraOf(live.wanted);
  } catch (error) {
    const reasons = { NotAllowedError: "the camera is not allowed to this page", NotFoundError: "there is no camera" };
    return turn === state.turn && refuse(reasons[error.name] || "the camera cannot be used here");
  }
  if (turn !== state.turn) return stream.getTracks().forEach(track => track.stop());
  live.stream = live.video.srcObject = stream;
  stream.getVideoTracks()[0].addEventListener("ended", () => { if (live.stream === stream) keepFrame(); }); // as when unplugged
  $("answer").ariaLive = "off"; // it would never stop talking
  pressed(true);
  await live.video.play().catch(() => {});
  const devices = await navigator.mediaDevices.enumerateDevices();
  live.cameras = devices.filter(device => device.kind === "videoinput").map(device => device.deviceId);
  $("turn").hidden = live.cameras.length < 2 || live.stream !== stream;
  const next = () => {
    if (live.stream !== stream) return;
    const { videoWidth: w, videoHeight: h } = live.video;
    if (w && h) {
      const { canvas, image } = drawn(live.video, w, h, live.canvas);
      display(canvas, image);
    }
    setTimeout(() => requestAnimationFrame(next), 40);
  };
  next();
}
function stopCamera() {
  if (!live.stream) return;
  live.stream.getTracks().forEach(track => track.stop());
  live.stream = live.video.srcObject = null;
  $("answer").ariaLive = "polite";
  $("turn").hidden = true;
  pressed(false);
}
function pressed(on) {
  $("camera").ariaPressed = on;
  $("camera").textContent = on ? "Stop, keep frame" : "Camera";
}
function keepFrame() {
  stopCamera();
  live.canvas = document.createElement("canvas"); // the last frame stays on the pad
  later(hold);
}
$("camera").addEventListener("click", () => live.stream ? keepFrame() : startCamera());
// A phone's camera on the other side; of others, which tell no side, the next one.
$("turn").addEventListener("click", () => {
  const { deviceId, facingMode } = live.stream.getVideoTracks()[0].getSettings();
  const other = { user: "environment", environment: "user" }[facingMode];
  const next = live.cameras[(live.cameras.indexOf(deviceId) + 1) % live.cameras.length];
  live.wanted = [...other ? [{ facingMode: { exact: other } }] : [], { deviceId: { exact: next } }, { facingMode: "environment" }];
  startCamera();
});
const hasCamera = takesPictures && !!navigator.mediaDevices?.getUserMedia;
$("camera").hidden = !hasCamera;
$("unsafe").hidden = hasCamera || !takesPictures || isSecureContext; // there browsers give no camera
if (!takesPictures) {
  $("folder").hidden = true;
  $("opening").firstChild.textContent = "Open values";
  $("file").accept = ".csv,.tsv,.txt";
}

// Files: chosen, pasted, dropped. More than one is a folder, of pictures.
$("clear").addEventListener("click", clear);
$("cutting").hidden = channels > 1 || !net.ink_box;
$("cut").addEventListener("change", () => { if (state.image && !live.stream) display(state.picture, state.image); });
function take(files) {
  if (files.length > 1 && takesPictures) answerFolder(files);
  else if (files.length > 1 && !isImage(files[0].file)) refuse(`one window is read at a time, got ${number(files.length)} files: give one`);
  else if (files.length) load(files[0].file);
}
const listed = files => Array.from(files, file => ({ path: file.webkitRelativePath || file.name, file }));
$("file").addEventListener("change", event => { take(listed(event.target.files)); event.target.value = ""; });
$("directory").addEventListener("change", event => { answerFolder(listed(event.target.files)); event.target.value = ""; });
document.addEventListener("paste", event => {
  const item = [...event.clipboardData.items].find(held => held.type.startsWith("image/"));
  if (item) load(item.getAsFile());
  else if (!takesPictures) loadWindow(event.clipboardData.getData("text"));
});
document.addEventListener("dragover", event => { event.preventDefault(); $("pad").classList.add("over"); });
for (const end of ["dragleave", "drop"]) document.addEventListener(end, () => $("pad").classList.remove("over"));
document.addEventListener("drop", async event => {
  event.preventDefault();
  const items = [...event.dataTransfer.items].filter(item => item.kind === "file");
  const held = items.map(item => ({ // all at once: what was dropped is gone after the first wait
    file: item.getAsFile(), entry: item.webkitGetAsEntry?.(), handle: item.getAsFileSystemHandle?.().catch(() => null) }));
  if (!held.length) return; // text, or a link
  const turn = ++state.turn;
  const found = await Promise.all(held.map(filesIn)).catch(() => null);
  if (turn !== state.turn) return;
  if (found) return take(found.flat());
  $("summary").textContent = "This browser does not read dropped folders here: choose it with “Open folder”.";
});
// The files that were dropped, those in folders with their paths; browsers know two ways.
async function filesIn({ file, entry, handle }) {
  const found = [], opened = await handle;
  if (opened?.kind === "directory") await walkHandle(opened, opened.name, found).catch(() => { found.length = 0; });
  if (!found.length && entry?.isDirectory) await walkEntry(entry, found);
  return found.length || entry?.isDirectory ? found : file ? [{ path: file.name, file }] : [];
}
async function walkHandle(folder, path, found) {
  for await (const [name, child] of folder.entries()) {
    if (child.kind === "directory") await walkHandle(child, `${path}/${name}`, found);
    else found.push({ path: `${path}/${name}`, file: await child.getFile() });
  }
}
async function walkEntry(folder, found) {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const child of some) {
      if (child.isDirectory) await walkEntry(child, found);
      else found.push({ path: child.fullPath.slice(1), file: await new Promise((done, failed) => child.file(done, failed)) });
    }
  }
}
