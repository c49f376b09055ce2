"""A small training in a process of its own: `training_to_kill.py CHECKPOINT RESULT` trains or resumes to the end.

Its checkpoint is written after almost every step, so that a kill at a random moment often hits a write.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from course_lib import data, fit
from course_lib.denoise import dncnn
from course_lib.profiles import Budget

torch.set_num_threads(1)
fit.CHECKPOINTS = 100
network = dncnn.DnCNN(depth=4, width=32, seed=0)
print("ready", flush=True)
trained = dncnn.train(data.photographs("validation"), sigma=dncnn.BLIND, budget=Budget(200, 4, 32), seed=0,
                      network=network, checkpoint=Path(sys.argv[1]))
save_file({name: value.contiguous() for name, value in trained.model.state_dict().items()}, sys.argv[2])
