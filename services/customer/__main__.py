"""`python -m services.customer serve | migrate | check-config | parked | replay`."""

from chassis.service import main
from services.customer.server import PROGRAM

if __name__ == "__main__":
    main(PROGRAM)
