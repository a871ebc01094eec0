"""``python -m baseline_v1_live``."""

from baseline_v1_live.cli import main

if __name__ == "__main__":
    main()
