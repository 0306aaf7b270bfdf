"""One module of exercises and one of quiz questions per lesson, by its number."""
