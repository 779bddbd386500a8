"""The frame of each ejected file; {braces} are filled."""

from __future__ import annotations

MODEL = '''"""The network of {name}. Trained with flambeau {version}; needs PyTorch alone.

    from model import load
    network = load()
"""

{imports}

HERE = Path(__file__).resolve().parent


{definitions}


def build() -> Network:
    """The network with untrained weights."""
    return {network}


def load(path: str | Path = HERE / "weights.safetensors") -> Network:
    """The network with its trained weights, ready to answer."""
    network = build()
    network.load_state_dict(load_file(path))
    return network.eval()
'''

PREDICT = '''"""Raw values -> answers, as they were tested.

    python predict.py {usage}
"""

{imports}

HERE = Path(__file__).resolve().parent
{words}

{definitions}


INPUTS = {inputs}
"""What turns each raw value into the array that the network takes."""

TARGET = {target}
"""What the numbers of an answer mean."""


def encode(example: Mapping[str, object]) -> dict[str, np.ndarray]:
    """One raw example by column -> one array for each input."""
    return {{name: one.finish(one.read(one.take(example, name))) for name, one in INPUTS.items()}}


def collate(network: Network, encoded: Sequence[Mapping[str, np.ndarray]]) -> list[torch.Tensor]:
    """Encoded examples -> the tensors of one batch; where lengths differ, zeros behind the end, and the mask of what is real."""
    tensors = []
    for tensor, name in network.tensors.items():
        arrays = [example[name] for example in encoded]
        if tensor != name:
            lengths = np.array([len(array) for array in arrays])
            values = np.arange(max(lengths.max(), 1)) < lengths[:, None]
        elif name + ".mask" in network.tensors:
            values = np.zeros((len(arrays), max(1, *map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
            for place, array in enumerate(arrays):
                values[place, : len(array)] = array
        else:
            values = np.stack(arrays)
        tensors.append(torch.from_numpy(np.ascontiguousarray(values)))
    return tensors


def answer(network: Network, encoded: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """Encoded examples -> (examples, answers)."""
    with torch.inference_mode():
        return network(*collate(network, encoded)).numpy()


def predict(network: Network, examples: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Raw examples by column -> one answer for each."""
    decoded = TARGET.decode(answer(network, [encode(example) for example in examples]))
    return [{{name: value for name, value in vars(one).items() if value is not None}} for one in decoded]


def read_csv(path: Path) -> list[dict[str, object]]:
    """The rows of a CSV file by column. Its delimiter is that by which the first rows get equally many cells, and most of them."""
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    {decode}
    lines = list(io.StringIO(text, newline=""))
    csv.field_size_limit(1 << 22)  # characters of a long text

    def fit(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines[:20], delimiter=delimiter) if row]
        return (sum(width == widths[0] for width in widths), widths[0]) if widths and widths[0] > 1 else (0, 0)

    rows = [row for row in csv.reader(lines, delimiter=max(",;\\t|", key=fit), strict=True) if row]
    return [dict(zip(map(str.strip, rows[0]), row, strict=True)) for row in rows[1:]]


def with_files(rows: list[dict[str, object]], folder: Path) -> list[dict[str, object]]:
    """The rows with paths in place of cells that name files, relative to the folder of their table: where half of a column's first do."""
    for column in [field for name, one in INPUTS.items() for field in one.fields(name)]:
        cells = [cell for row in rows[:100] if isinstance(cell := row.get(column), str) and cell]
        if sum(os.path.isfile(folder / cell) for cell in cells) * 2 >= len(cells) > 0:
            rows = [{{**row, column: folder / str(row[column])}} for row in rows]
    return rows


def read_arguments(arguments: Sequence[str]) -> list[dict[str, object]]:
    """Files and texts of the command line -> raw examples. A .csv file has one example a row, a .jsonl file one a line."""
    examples: list[dict[str, object]] = []
    for argument in arguments:
        path = Path(argument)
        if path.suffix.lower() in (".csv", ".tsv", ".tab"):
            examples += with_files(read_csv(path), path.parent)
        elif path.suffix.lower() in (".jsonl", ".ndjson"):
            lines = path.read_text(encoding="utf-8-sig").split("\\n")
            examples += with_files([json.loads(line) for line in lines if line.strip()], path.parent)
        else:
            value = np.load(path) if path.suffix == ".npy" else path if path.is_file() else argument
            examples.append({{field: value for name, one in INPUTS.items() for field in one.fields(name)}})
    return examples


def main() -> None:
    """Prints one line of JSON for each example."""
    network = load()
    examples = read_arguments(sys.argv[1:])
    for start in range(0, len(examples), 32):
        for prediction in predict(network, examples[start : start + 32]):
            print(json.dumps(prediction, ensure_ascii=False))


if __name__ == "__main__":
    main()
'''

DECODE = "text = content.decode(encoding)"
"""What a file of predict.py is read by where the recipe names no encoding."""

DECODE_OTHER = """try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode({other})"""
"""Where it names one: for files that are not UTF-8."""

TRAIN = '''"""Trains the network from scratch on data.npz, by the recipe of {name}.

    python train.py            # writes weights.new.safetensors
{missing}"""

{imports}

HERE = Path(__file__).resolve().parent
EPOCHS = {epochs}
BATCH_SIZE = {batch_size}
CLIP = {clip}
SEED = {seed}


{definitions}


{parameters}


def tensors(network: Network, data: dict[str, np.ndarray], split: str, rows: np.ndarray) -> list[torch.Tensor]:
    """Some rows of a split, the encoded inputs in the order of the network."""
    return [torch.from_numpy(data[f"{{split}}/{{name}}"][rows]) for name in network.tensors]


def train() -> Network:
    """The network with the weights of its best epoch, by the loss on the validation split."""
    torch.manual_seed(SEED)
    data = dict(np.load(HERE / "data.npz"))
    network, loss_of = build(), {loss}
    optimizer = {optimizer}
    schedule = {schedule}
    peaks = [group["lr"] for group in optimizer.param_groups]
    targets = torch.from_numpy(data["targets/train"])
    wanted = torch.from_numpy(data["targets/valid"])
{weights}    everything = np.arange(len(wanted))
    size = len(targets) if BATCH_SIZE == "all" else BATCH_SIZE
    edges = [*range(0, len(targets), size), len(targets)]
    if size > 1 and len(edges) > 2 and edges[-1] - edges[-2] == 1:
        del edges[-2]  # batch norm cannot be computed on a single example: it joins the batch before
    steps = EPOCHS * (len(edges) - 1)
    best, kept, step, history = float("inf"), {{}}, 0, []
    for epoch in range(1, EPOCHS + 1):
        network.train()
        order = torch.randperm(len(targets))
        for start, end in pairwise(edges):
            rows = order[start:end]
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * schedule.factor(step, steps, history)
            batch = tensors(network, data, "train", rows.numpy())

            def closure() -> torch.Tensor:
                torch.manual_seed(SEED + step)  # the same dropout, however often the optimizer calls this
                optimizer.zero_grad()
                each = loss_of(network.logits(*batch), targets[rows])
                loss = {mean}
                loss.backward()
                if CLIP is not None:
                    torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
                return loss

            optimizer.step(closure)
            step += 1
        network.eval()
        with torch.inference_mode():
            score = loss_of(network.logits(*tensors(network, data, "valid", everything)), wanted).mean().item()
        history.append(-score)
        print(f"epoch {{epoch}}: validation loss {{score:.4f}}")
        if score < best:
            best, kept = score, {{name: value.clone() for name, value in network.state_dict().items()}}
    network.load_state_dict(kept or network.state_dict())
    return network.eval()


if __name__ == "__main__":
    save_file(train().state_dict(), HERE / "weights.new.safetensors")
'''

GROUPS = '''def groups(network: nn.Module) -> list[dict[str, object]]:
    """Matrices and kernels are pulled towards 0, norms and biases are not."""
    parameters = [one for one in network.parameters() if one.requires_grad]
    return [
        {{"params": [one for one in parameters if one.ndim > 1], "weight_decay": {weight_decay}}},
        {{"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0}},
    ]'''
"""The parameters of most optimizers in train.py."""

PARAMETERS = '''def parameters(network: nn.Module) -> list[nn.Parameter]:
    """Those that can learn."""
    return [one for one in network.parameters() if one.requires_grad]'''
"""Those of an optimizer that treats all alike."""

WEIGHTS = """    weights = torch.from_numpy(data["weights/train"])
"""
WEIGHTED_MEAN = "(each * weights[rows]).sum() / weights[rows].sum().clamp(min=1e-30)"
"""The loss of a batch where each example has a weight."""

README = """# {name}

A trained network as plain PyTorch. Nothing here imports flambeau, which wrote it.

| file | what it is |
|---|---|
| `model.py` | the network; `load()` gives it with its weights |
| `predict.py` | raw values to answers: `python predict.py {usage}` |
| `train.py` | the recipe as a plain training loop{data} |
| `weights.safetensors` | the trained weights |
| `requirements.txt` | what has to be installed, in the versions that were checked |

Inputs: {inputs}.

When these files were written, they were run in a process in which flambeau cannot be imported: for the {count} golden
examples of the model, `predict.py` gave the same arrays and the same answers, bit for bit, as the model in PyTorch on the
CPU with {threads} thread(s). Another number of threads, another processor or another version may change the last bits.

`train.py` starts from new weights and does not vary the examples; its result will be near that of the original
training, not the same.{missing}
"""
