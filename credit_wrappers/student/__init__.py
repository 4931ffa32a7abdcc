"""A student: a small model that learns a critic's credit and then credits every step at once.

It needs no language model and no ledger. PyTorch and scipy (the extra `student`) are imported only when a student is
fitted or compared with its critic.
"""

from credit_wrappers.student.agreement import Agreement, AgreementScores
from credit_wrappers.student.fitting import fit_student
from credit_wrappers.student.mirrored import mirrored_labels
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.task_fitting import fit_task_student
from credit_wrappers.student.task_student import TaskAgreement, TaskStudent, TaskStudentSettings

__all__ = [
    "Agreement",
    "AgreementScores",
    "StudentCritic",
    "StudentSettings",
    "TaskAgreement",
    "TaskStudent",
    "TaskStudentSettings",
    "fit_student",
    "fit_task_student",
    "mirrored_labels",
]
