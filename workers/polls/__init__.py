"""Operations at providers: when each is polled next, and how far it is."""
