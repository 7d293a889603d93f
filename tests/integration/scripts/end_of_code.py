"""A code object ends, to which legacy code has tied data: the function that gives it back is
guarded.

CPython 3.13 keeps code objects for ever once there was a second thread, so the recorder tells.
"""

import pythonnogil
import stage

pythonnogil.start_recording()
module = stage.load("callbacks")
code = (lambda: None).__code__.replace(co_filename="watched")
module.watch_end_of(code)
del code
calls = [
    function["calls"]
    for record in pythonnogil.stats()["modules"]
    for function in record["functions"]
    if function["name"] == "end of a code object's data"
]
stage.report(int(calls != [1] or module.count() != 1), calls=calls, count=module.count())
