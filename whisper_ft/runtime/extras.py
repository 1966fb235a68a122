"""Optional dependencies, and the command that installs them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from shlex import quote

DISTRIBUTION = "whisper-ft"


def describe_import_error(error: ImportError, extra: str) -> str:
    """Return which import of an extra failed and the command that repairs it."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name or error} is missing: {install_command(extra)}"
    command = install_command(extra).replace("install", "install --force-reinstall", 1)
    return f"{error.name or 'a package'} cannot be imported ({error}): {command}"


def install_command(extra: str) -> str:
    """Return the pip command that installs the packages of an extra, such as "prepare".

    It names the packages, since `pip install 'whisper-ft[prepare]'` needs a published release.
    Where this package is not installed, it names the extra of the checkout.
    """
    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        requirements = []
    pattern = re.compile(rf"""extra\s*==\s*["']{re.escape(extra)}["']""")
    packages = [
        requirement.partition(";")[0].strip()
        for requirement in requirements
        if pattern.search(requirement.partition(";")[2])
    ]
    return f"pip install {' '.join(map(quote, packages)) if packages else quote(f'.[{extra}]')}"
