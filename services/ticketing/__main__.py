"""`python -m services.ticketing serve | migrate | check-config | parked | replay`."""

from chassis.service import main
from services.ticketing.server import PROGRAM

if __name__ == "__main__":
    main(PROGRAM)
