"""A broken hand-written model: read from its file, walked to its end, and mended.

``draft.read`` runs the file in a process of its own (``child``, the only part that needs torch) and brings
back the layers; ``diagnose`` does the rest in plain Python.
"""

from vgg_profile.diagnose.defects import Defect, Fault, Kind
from vgg_profile.diagnose.draft import Draft, read
from vgg_profile.diagnose.findings import Diagnosis
from vgg_profile.diagnose.walk import diagnose
from vgg_profile.diagnose.written import Written

__all__ = ["Defect", "Diagnosis", "Draft", "Fault", "Kind", "Written", "diagnose", "read"]
