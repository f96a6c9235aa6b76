"""Make `src/gibbsian/data/assets/digits.npz` from scikit-learn's copy of the UCI digits.

Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning
Repository (1998), CC BY 4.0: its test part, 1,797 images of 8 x 8 pixels with values 0 to 16,
kept as they are in the original order.

    python scripts/make_digits.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parents[1] / "src" / "gibbsian" / "data" / "assets" / "digits.npz"


def main() -> None:
    """Write the file: `x` uint8 (1797, 8, 8) with values 0 to 16, `y` uint8 (1797,)."""
    digits = load_digits()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(TARGET, x=digits.images.astype(np.uint8), y=digits.target.astype(np.uint8))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
