//! What a start makes of the books.
