"""`python -m services.notify serve | migrate | check-config | parked | replay`."""

from chassis.service import main
from services.notify.server import PROGRAM

if __name__ == "__main__":
    main(PROGRAM)
