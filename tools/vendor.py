"""Scripts that pages need, taken from npm when a page is built, so that a page asks no other machine for anything.

Nothing of this is committed. Where npm is missing or cannot reach its packages, pages use a content delivery network
and the build says so. `python -m tools.vendor` fetches everything beforehand, so that a build needs no network.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from course_lib import manifest

PACKAGES = {  # name -> version, SHA-512 of its archive
    "mathjax": ("3.2.2", "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw=="),
    "reveal.js": ("4.6.1", "1CW0auaXNPmwmvQ7TwpszwVxMi2Xr5cTS3J3EBC/HHgbPF32Dn7aiu/LKWDOGjMbaDwKQiGmfqcoGQ74HUHCMw=="),
}
CDN = "https://cdn.jsdelivr.net/npm"


def ready(cache: Path) -> bool:
    """Whether everything is there, so that pages can be built without a network."""
    return all(_installed(cache / "node_modules" / name) == version for name, (version, _) in PACKAGES.items())


def mathjax(to: Path, *, cache: Path) -> str:
    """Put MathJax into the folder `to/mathjax`; the script's address, relative to `to` or on the network."""
    script = "tex-mml-chtml.js"
    source = package("mathjax", cache=cache)
    if source is None:
        return f"{CDN}/mathjax@{PACKAGES['mathjax'][0]}/es5/{script}"
    for part in (script, "output/chtml/fonts/woff-v2", "input/tex/extensions"):
        _copy(source / "es5" / part, to / "mathjax" / part)
    return f"mathjax/{script}"


def reveal(to: Path, *, cache: Path) -> str:
    """Put reveal.js into the folder `to/reveal`; its folder's address, relative to `to` or on the network."""
    source = package("reveal.js", cache=cache)
    if source is None:
        return f"{CDN}/reveal.js@{PACKAGES['reveal.js'][0]}"
    for part in ("dist/reveal.js", "dist/reveal.css", "plugin/notes"):
        _copy(source / part, to / "reveal" / part)
    return "reveal"


def package(name: str, *, cache: Path) -> Path | None:
    """The folder of an npm package below `cache`, installed there the first time; None and a notice if that fails."""
    version, digest = PACKAGES[name]
    folder = cache / "node_modules" / name
    if _installed(folder) == version:
        return folder
    if failure := _install(cache):
        print(f"note: {failure}, so pages load {name} from {CDN.split('/')[2]}: they need a network to be read.")
        return None
    lock = json.loads((cache / "package-lock.json").read_text())
    if lock["packages"][f"node_modules/{name}"]["integrity"] != f"sha512-{digest}":
        shutil.rmtree(folder)
        raise ValueError(f"npm delivered a {name} {version} whose archive has another hash than tools/vendor.py "
                         "expects; nothing of it is used. After a change of version, check and enter the new hash.")
    return folder


def _install(cache: Path) -> str:
    """Let npm put the packages into `cache`; what went wrong in words, or nothing."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "package.json").write_text(json.dumps({"private": True}))
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact",
               *(f"{name}@{version}" for name, (version, _) in PACKAGES.items())]
    try:
        run = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        return "npm did not answer within three minutes"
    return f"npm failed ({(run.stderr.strip().splitlines() or ['no reason given'])[-1]})" if run.returncode else ""


def _installed(folder: Path) -> str | None:
    description = folder / "package.json"
    return json.loads(description.read_text())["version"] if description.is_file() else None


def _copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True)
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, to)


if __name__ == "__main__":
    for each in PACKAGES:
        package(each, cache=manifest.find_root() / "build" / "npm")
