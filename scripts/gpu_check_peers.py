"""Public stacks on one device, for gpu_check: the scripts of --peers, which are written for CPUs.

usage: gpu_check_peers.py kgat|encoder cuda|cpu PEERS [arguments of kgat_epoch.py or sbert_train.py]

Their JSON line goes to stdout. On cuda the model of the public KGAT code is moved there, and so are
its batches, as its own main program does; sentence-transformers finds the GPU itself.
"""
import os
import sys


def patch_kgat(repo):
    """The peer's model on the GPU, its inputs brought there."""
    import torch

    sys.path.insert(0, os.path.abspath(repo))
    import model.KGAT as module

    class OnGpu(module.KGAT):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            self.cuda()

        def forward(self, *inputs, **named):
            return super().forward(
                *[x.cuda() if torch.is_tensor(x) else x for x in inputs], **named)

    module.KGAT = OnGpu


def main():
    what, device, peers = sys.argv[1:4]
    arguments = sys.argv[4:]
    sys.path.insert(0, os.path.abspath(peers))
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif what == "kgat":
        patch_kgat(arguments[arguments.index("--repo") + 1])
    script = {"kgat": "kgat_epoch", "encoder": "sbert_train"}[what]
    sys.argv = [os.path.join(peers, script + ".py")] + arguments
    __import__(script).main()


if __name__ == "__main__":
    main()
