"""The load generator in a lab: runs of it and what they found."""

import json
import os
import signal

from lab import BUILD, LabError, Process


class Load(Process):
    """One run of tandem6load in a namespace. `server` and further options are its command line's:
    Load(lab, ns, "name", relay="2001:db8::2", server=["2001:db8::1"], clients=500, pd=True)."""

    def __init__(self, lab, namespace, name, **options):
        self.out_path = lab.path(f"{name}.result")
        command = [os.path.join(BUILD, "perf", "load", "tandem6load")]
        for option, value in options.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one is not False:
                    command += ["--" + option.replace("_", "-")] + ([] if one is True else [str(one)])
        # Results go to a file of their own, progress to the log.
        super().__init__(lab, namespace, ["sh", "-c", 'exec "$@" >"$0"', self.out_path, *command], name)

    def result(self, timeout=120.0):
        """Waits for its end; returns the result, its exit status as "status"."""
        self.popen.wait(timeout)
        with open(self.out_path, encoding="utf-8") as file:
            text = file.read()
        if not text.endswith("\n"):
            raise LabError(f"{self.name} ended with {self.popen.returncode}:\n{self.log()}")
        return {**json.loads(text.splitlines()[-1]), "status": self.popen.returncode}

    def interrupt(self):
        """The run ends early; its result tells what it saw."""
        self.send(signal.SIGINT)
