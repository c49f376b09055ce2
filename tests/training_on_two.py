"""One training for one process or several: `torchrun --nproc-per-node 2 training_on_two.py RESULT`."""

import os
import sys

import torch
from safetensors.torch import save_file

from course_lib import data
from course_lib.denoise import dncnn
from course_lib.fit import fit
from course_lib.noise import Gaussian
from course_lib.optimisers import SGD  # Adam and Muon divide by gradients, and enlarge the last bits
from course_lib.profiles import Budget

torch.set_num_threads(1)
network = dncnn.DnCNN(depth=4, width=8, batch_norm=False, seed=0)
source = data.then(data.patches(data.photographs("validation"), size=24), data.noisy(Gaussian(dncnn.BLIND)))
fit(network, source, dncnn.step, budget=Budget(20, 8), seed=0, optimiser=SGD(lr=1.0), ema=0.9)
world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
if int(os.environ.get("RANK", "0")) == 0:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, sys.argv[1],
              metadata={"world": str(world)})
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
