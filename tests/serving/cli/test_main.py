"""The command line as a whole."""

import subprocess
import sys


def test_help_loads_no_heavy_library():
    script = (
        "import sys\n"
        "sys.argv = ['coterie', '--help']\n"
        "from serving.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'ray', 'vllm', 'transformers', 'sklearn'} & set(sys.modules)\n"
        "sys.stderr.write(','.join(heavy))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "serve" in run.stdout
    assert "collect" in run.stdout
    assert run.stderr == ""
