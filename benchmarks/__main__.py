"""Run a study, ``python -m benchmarks NAME [options]``; without a name, list them all."""

import ast
import importlib
import logging
import os
import sys
import warnings
from pathlib import Path

FOLDER = Path(__file__).parent
FILES = [FOLDER / "report.py", *sorted(FOLDER.glob("studies/[!_]*.py"))]
STUDIES = {file.stem: file for file in FILES}
"""The file of each study, and of the report, by name."""


def first_line(file: Path) -> str:
    """The first line of a module's docstring; the module is not imported for that."""
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def one_thread_each() -> None:
    """Tell libraries how many threads they may use, which they ask when they are imported."""
    os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("MKL", "OMP", "OPENBLAS", "VECLIB_MAXIMUM")})
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")


def main(name: str = "--help", *arguments: str) -> None:
    """Run the study of this name."""
    if name not in STUDIES:
        studies = "\n".join(f"  {name:14s}{first_line(file)}" for name, file in STUDIES.items())
        print(f"python -m benchmarks NAME [options]; NAME --help lists the options of\n\n{studies}")
        sys.exit(0 if name in {"-h", "--help"} else f"\nThere is no study {name!r}.")
    one_thread_each()  # before numpy and JAX are imported
    module = ".".join(STUDIES[name].relative_to(FOLDER.parent).with_suffix("").parts)
    study = importlib.import_module(module)
    for talker in ("pymc", "pymc_symplectic"):  # which both set when they are imported
        logging.getLogger(talker).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    study.main(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
