"""Versions of the packages named on the command line, as JSON; packages that are not installed are left out."""
import json
import sys
from importlib.metadata import PackageNotFoundError, version


def versions(names):
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            pass


print(json.dumps(dict(versions(sys.argv[1:]))))
