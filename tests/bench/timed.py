"""The handler that the runtime starts: the one under test, with a note of when its import ended."""

import importlib
import os
import pathlib
import time

handler = importlib.import_module(os.environ["BENCH_MODULE"]).handler
pathlib.Path(os.environ["BENCH_NOTE"]).write_text(str(time.time()), "utf-8")
