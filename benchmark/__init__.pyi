from benchmark.cli.python import load_results as load_results
from benchmark.cli.python import run_suite as run_suite
