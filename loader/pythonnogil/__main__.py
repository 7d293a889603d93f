"""``python -m pythonnogil``."""

import sys

from pythonnogil._command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
