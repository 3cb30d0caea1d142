"""The project and its loop: the only room that knows the whole order.

``project`` opens a folder, ``loop`` does what is due, ``forecasting`` asks the models, ``settlement`` lets
the outcomes judge, ``desk`` writes what was said into the log, ``history`` reads it back.
"""

from foreseal.run.project import Project

__all__ = ["Project"]
