"""One training for one process or several: `torchrun --nproc-per-node 2 training_on_two.py RESULT`."""

import os
import sys

import torch
from safetensors.torch import save_file

from course_lib import data
from course_lib.denoise import dncnn
from course_lib.profiles import Budget

torch.set_num_threads(1)
network = dncnn.DnCNN(depth=4, width=8, batch_norm=False, seed=0)
trained = dncnn.train(data.photographs("validation"), sigma=dncnn.BLIND, budget=Budget(20, 8, 24), seed=0,
                      network=network)
world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
if int(os.environ.get("RANK", "0")) == 0:
    save_file({name: value.contiguous() for name, value in trained.model.state_dict().items()}, sys.argv[1],
              metadata={"world": str(world)})
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
