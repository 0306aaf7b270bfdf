"""Only for the lessons: exercises that check themselves, explorers, and widgets.

Nothing outside this folder imports it.
"""
