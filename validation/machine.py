"""What numbers were computed with: versions and hardware."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

PACKAGES = (
    "numpy",
    "scipy",
    "sympy",
    "cvxpy",
    "POT",
    "python-flint",
    "dask",
    "distributed",
    "matplotlib",
    "torch",
    "scikit-learn",
)


def version() -> str:
    """Return the version of robust-theory; "unknown" where it is used without being installed."""
    try:
        return metadata.version("robust-theory")
    except metadata.PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on, if installed."""
    found = {"python": platform.python_version(), "robust-theory": version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory_gib() -> float:
    """Return the machine's memory in GiB."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system says
        return 0.0
    return round(size / 2**30, 1)


def hardware() -> dict[str, str | int | float]:
    """Return what the machine is, and its GPU if torch is loaded and sees one."""
    found: dict[str, str | int | float] = {
        "platform": _system(),
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": memory_gib(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(0)
    return found


def _system() -> str:
    # platform.platform() would add the kernel's build, which no number depends on.
    library = " ".join(platform.libc_ver()).strip() or platform.release()
    return f"{platform.system()} {platform.machine()}, {library}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [
                line.partition(":")[2].strip() for line in file if line.startswith("model name")
            ]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
