"""How else pictures, or windows of a sensor, may be seen: which changes a card is of."""

from smidgen.data.sensor import is_window
from smidgen.robust import camera, windows
from smidgen.robust.camera import Change


def changes_for(height: int, width: int) -> tuple[Change, ...]:
    """Return the changes for images of these sides, the mildest of each kind first."""
    return windows.changes() if is_window(height, width) else camera.changes()
