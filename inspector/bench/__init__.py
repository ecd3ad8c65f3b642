"""Side-by-side measurements against peers. May import anything; nothing imports it."""
