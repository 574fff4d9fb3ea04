"""`python -m services.tiering serve | migrate | check-config | parked | replay`."""

from chassis.service import main
from services.tiering.server import PROGRAM

if __name__ == "__main__":
    main(PROGRAM)
