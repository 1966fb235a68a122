"""Optional dependencies, and the command that installs them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from shlex import quote

DISTRIBUTION = "whisper-ft"


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
