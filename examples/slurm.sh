#!/bin/sh
# Two machines with four GPUs each under Slurm: sbatch examples/slurm.sh
#SBATCH --job-name=inceptionlab
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
# Two minutes before the time is up every process is asked to stop, writes its state, and --resume goes on from there.

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint "$first:29500" \
  -m inceptionlab train --model inception_v3 --data "$DATA" --recipe imagenet_modern --set sync_norm=true --out "$OUT"
