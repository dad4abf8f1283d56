"""Speed, measured side by side with peers: one module per figure, each runnable alone.

`python -m benchmarks` (or `make bench`) measures all of them and writes `benchmarks/README.md`;
`python -m benchmarks --only 1 --rounds 3` measures one and prints it. `rig/` holds what the figures share (the
receiver, the stores, the meters), `peers/` the programs that ours is compared with. What is asked are ratios taken in
the same run on the same machine; the absolute numbers are worth only what the machine was doing at the time.
"""
