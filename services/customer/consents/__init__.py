"""The customer service's noun `consents`: what customers allow their data to be used for."""
