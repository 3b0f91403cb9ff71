"""A strict reader of Prometheus' text exposition 0.0.4: what it lets pass, every collector reads.

Stricter than the format where that says "should": a HELP and a TYPE before each family, the
samples of a family together, nothing twice, names and units as Prometheus' own rules want them.
"""
import math
import re
from dataclasses import dataclass, field

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)\Z|NaN\Z")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
HISTOGRAM_ENDINGS = ("_bucket", "_sum", "_count")
# What a base unit replaces.
FOREIGN_UNITS = re.compile(r"_(ms|us|milliseconds|microseconds|minutes|kb|kilobytes|mb|percent)(_|\Z)")


class Malformed(Exception):
    """What is wrong, and where."""


@dataclass
class Family:
    name: str
    help: str = ""
    type: str = ""
    samples: dict = field(default_factory=dict)     # (name, ((label, value), ...)) -> value

    def value(self, **labels):
        """The one sample that has these labels."""
        found = [value for (_, pairs), value in self.samples.items()
                 if labels.items() <= dict(pairs).items()]
        assert len(found) == 1, (self.name, labels, found)
        return found[0]

    def total(self, **labels):
        return sum(value for (_, pairs), value in self.samples.items()
                   if labels.items() <= dict(pairs).items())

    def histogram(self, **labels):
        """Count, sum and buckets of the one that has these labels."""
        count = [value for (name, pairs), value in self.samples.items()
                 if name.endswith("_count") and labels.items() <= dict(pairs).items()]
        total = [value for (name, pairs), value in self.samples.items()
                 if name.endswith("_sum") and labels.items() <= dict(pairs).items()]
        buckets = [(float(dict(pairs)["le"].replace("+Inf", "inf")), value)
                   for (name, pairs), value in self.samples.items()
                   if name.endswith("_bucket") and labels.items() <= dict(pairs).items()]
        assert len(count) == len(total) == 1, (self.name, labels)
        return count[0], total[0], buckets


def read(text):
    """The families of an exposition by name; Malformed if anything is not as it has to be."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"no UTF-8: {error}") from error
    if not text.endswith("\n"):
        raise Malformed("the last line has no line feed")
    families, current = {}, None
    for number, line in enumerate(text[:-1].split("\n"), 1):
        try:
            current = _read_line(line, families, current)
        except Malformed as error:
            raise Malformed(f"line {number}: {error}: {line!r}") from None
    for family in families.values():
        _check_family(family)
    return families


def _read_line(line, families, current):
    if line.startswith("# HELP "):
        name, _, rest = line[len("# HELP "):].partition(" ")
        if name in families:
            raise Malformed("a family begins twice")
        _check_name(name)
        families[name] = Family(name, help=_unescape(rest, "\\n"))
        return families[name]
    if line.startswith("# TYPE "):
        words = line.split(" ")
        if len(words) != 4 or words[3] not in TYPES:
            raise Malformed("no TYPE")
        if current is None or current.name != words[2]:
            raise Malformed("a TYPE without its HELP right before it")
        if current.type or current.samples:
            raise Malformed("a second TYPE, or one behind samples")
        current.type = words[3]
        return current
    if line == "" or line.startswith("#") or line != line.strip():
        raise Malformed("neither HELP, TYPE nor a sample")
    name, labels, value = _read_sample(line)
    if current is None or not current.type or name not in _sample_names(current):
        raise Malformed("a sample outside its family")
    if (name, labels) in current.samples:
        raise Malformed("a sample stands twice")
    current.samples[name, labels] = value
    return current


def _sample_names(family):
    if family.type == "histogram":
        return [family.name + ending for ending in HISTOGRAM_ENDINGS]
    return [family.name]


def _read_sample(line):
    match = re.match(r"([^{ ]+)", line)
    name, rest = match.group(1), line[match.end():]
    _check_name(name)
    labels = []
    if rest.startswith("{"):
        rest = rest[1:]
        while not rest.startswith("}"):
            label, value, rest = _read_label(rest)
            if label in [known for known, _ in labels]:
                raise Malformed("a label stands twice")
            labels.append((label, value))
            if rest.startswith(","):
                rest = rest[1:]
                if rest.startswith("}"):
                    raise Malformed("a comma behind the last label")
            elif not rest.startswith("}"):
                raise Malformed("no comma between labels")
        rest = rest[1:]
        if not labels:
            raise Malformed("braces without labels")
    if not rest.startswith(" ") or not NUMBER.match(rest[1:]):
        raise Malformed("no value")
    return name, tuple(labels), float(rest[1:].replace("Inf", "inf"))


def _read_label(rest):
    match = re.match(r'([^="{},]+)="((?:[^"\\]|\\.)*)"', rest)
    if match is None or not LABEL_NAME.match(match.group(1)) or match.group(1).startswith("__"):
        raise Malformed("no label")
    return match.group(1), _unescape(match.group(2), '\\n"'), rest[match.end():]


def _unescape(text, known):
    def meaning(match):
        if match.group(1) not in known:
            raise Malformed(f"an escape that there is not: {match.group()}")
        return "\n" if match.group(1) == "n" else match.group(1)
    return re.sub(r"\\(.?)", meaning, text)


def _check_name(name):
    if not NAME.match(name) or ":" in name:
        raise Malformed("no name of a metric")


def _check_family(family):
    if not family.type or not family.help:
        raise Malformed(f"{family.name} has no TYPE or HELP")
    if not family.samples:
        raise Malformed(f"{family.name} has no samples")
    if (family.type == "counter") != family.name.endswith("_total"):
        raise Malformed(f"{family.name} is a {family.type}")
    if FOREIGN_UNITS.search(family.name):
        raise Malformed(f"{family.name} is not in base units")
    if family.type != "histogram" and family.name.endswith(HISTOGRAM_ENDINGS):
        raise Malformed(f"{family.name} looks like a part of a histogram")
    if len({tuple(label for label, _ in pairs if label != "le") for _, pairs in family.samples}) > 1:
        raise Malformed(f"{family.name}: samples differ in their labels")
    if family.type == "counter" and any(value < 0 or math.isnan(value)
                                        for value in family.samples.values()):
        raise Malformed(f"{family.name} is below zero")
    if family.type == "histogram":
        _check_histograms(family)


def _check_histograms(family):
    series = {}
    for (name, pairs), value in family.samples.items():
        labels = tuple(pair for pair in pairs if pair[0] != "le")
        kind = name[len(family.name):]
        ends = [end for label, end in pairs if label == "le"]
        if (kind == "_bucket") != (len(ends) == 1):
            raise Malformed(f"{family.name}{kind} and le")
        series.setdefault(labels, {}).setdefault(kind, []).append((ends, value))
    for labels, parts in series.items():
        if set(parts) != set(HISTOGRAM_ENDINGS):
            raise Malformed(f"{family.name}{labels} is not whole")
        buckets = [(float(ends[0].replace("+Inf", "inf")), value)
                   for ends, value in parts["_bucket"]]
        if [end for end, _ in buckets] != sorted({end for end, _ in buckets}):
            raise Malformed(f"{family.name}{labels}: ends of buckets are not in order")
        if [count for _, count in buckets] != sorted(count for _, count in buckets):
            raise Malformed(f"{family.name}{labels}: buckets do not add up")
        if buckets[-1][0] != math.inf or buckets[-1][1] != parts["_count"][0][1]:
            raise Malformed(f"{family.name}{labels}: +Inf is not the count")
        if parts["_count"][0][1] == 0 and parts["_sum"][0][1] != 0:
            raise Malformed(f"{family.name}{labels}: a sum of nothing")
