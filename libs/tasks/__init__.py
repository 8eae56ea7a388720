"""Background work: periodic and continuous tasks, with their pace, their place and their health."""

from libs.tasks.failpoints import passed
from libs.tasks.pacing import Pace
from libs.tasks.positions import Position, TaskPositions
from libs.tasks.progress import progressed
from libs.tasks.runner import TaskRunner, cancelled
from libs.tasks.task import PeriodicTask, SharedTask

__all__ = [
    "Pace",
    "PeriodicTask",
    "Position",
    "SharedTask",
    "TaskPositions",
    "TaskRunner",
    "cancelled",
    "passed",
    "progressed",
]
