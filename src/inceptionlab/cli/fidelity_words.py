"""What a comparison of two sets of images came to, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inceptionlab.distances.result import FidelityResult

SHOWN = 10


def show_fidelity(found: FidelityResult) -> None:
    """Print a comparison."""
    print(f"FID                {_value(found.fid)}{_interval(found)}")
    rows = {
        "FID of ever more": (found.fid_infinity, "by extrapolation"),
        "FID of two halves": (found.fid_floor, "0 at best"),
        "KID": (found.kid, f"over subsets, ± {_value(found.kid_std)} among them"),
        "KID of all pairs": (found.kid_whole, f"standard error {_value(found.kid_error)}"),
        "Inception Score": (found.inception_score, f"± {_value(found.inception_score_std)} among splits"),
        "precision": (found.precision, ""), "recall": (found.recall, ""), "density": (found.density, ""),
        "coverage": (found.coverage, ""),
    }  # fmt: skip
    for name, (value, words) in rows.items():
        if value is not None:
            print(f"{name:18} {_value(value)}" + (f"  ({words})" if words else ""))
    if found.same is not None:
        print(f"copies             {found.same:,} of real images, {found.near or 0:,} nearly so")
    for one in found.twins[:SHOWN]:
        print(f"  {one.generated} and {one.real}: {one.distance:.3g}")
    if found.moved is not None:
        moved = found.moved
        print(f"{found.basis.precision:18} features differ by {moved.features:.2g}; FID of {moved.images} images is "
              f"{moved.fid:.4f}, in fp32 {moved.fid_fp32:.4f}")  # fmt: skip
    for warning in found.warnings:
        print(f"note: {warning}")
    print(f"cite: {found.citation}")


def _value(value: float | None) -> str:
    return "?" if value is None else f"{value:.4f}"


def _interval(found: FidelityResult) -> str:
    if found.fid_low is None or found.fid_high is None:
        return ""
    return f"  (95 % interval {found.fid_low:.4f} to {found.fid_high:.4f})"
