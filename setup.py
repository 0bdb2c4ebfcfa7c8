"""The compiled core, which is left out where there is no compiler. All else about the package stands in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

FOLDER = Path("src/pointsman/native")

setup(
    ext_modules=[
        Extension(
            "pointsman.native._core",
            sorted(map(str, FOLDER.glob("*.c"))),
            depends=[str(FOLDER / "text.h")],
            extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off"],  # sums are those of numpy and Python, to the bit
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
