"""The compiled core, which is left out where there is no compiler. All else about the package stands in pyproject.toml."""

from hashlib import sha256
from pathlib import Path

from setuptools import Extension, setup

FOLDER = Path("src/pointsman/native")
SOURCES = sha256(b"".join(each.read_bytes() for each in sorted(FOLDER.glob("*.[ch]")))).hexdigest()

setup(
    ext_modules=[
        Extension(
            "pointsman.native._core",
            sorted(map(str, FOLDER.glob("*.c"))),
            depends=[str(FOLDER / "text.h")],
            define_macros=[("POINTSMAN_SOURCES", f'"{SOURCES}"')],
            extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off"],  # the same sums on every machine
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
