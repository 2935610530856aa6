#!/usr/bin/env python3
"""Writes tensorboard.tfevents, the records of tensorboard_test.cpp as the tensorboard package makes them.

Run it with tensorboard installed (made with 2.20.0), in this folder.
"""
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.summary.writer.record_writer import RecordWriter


def scalars():
    event = Event(wall_time=1700000001.5, step=70000)
    event.summary.value.add(tag="loss/cf", simple_value=0.1)
    event.summary.value.add(tag="memory_mb", simple_value=-1.5e9)
    return event


def text():
    event = Event(wall_time=1700000002.25, step=70000)
    value = event.summary.value.add(tag="plan")
    value.metadata.plugin_data.plugin_name = "text"
    value.metadata.data_class = DATA_CLASS_TENSOR
    value.tensor.dtype = 7
    value.tensor.tensor_shape.dim.add(size=1)
    value.tensor.string_val.append("    größer\n".encode())
    return event


def hparams():
    data = HParamsPluginData()
    data.session_start_info.start_time_secs = 1700000003.0
    data.session_start_info.hparams["lr"].number_value = 0.001
    data.session_start_info.hparams["strategy"].string_value = "ddp"
    event = Event(wall_time=1700000003.0, step=0)
    value = event.summary.value.add(tag="_hparams_/session_start_info")
    value.metadata.plugin_data.plugin_name = "hparams"
    value.metadata.plugin_data.content = data.SerializeToString(deterministic=True)
    value.tensor.dtype = 1
    value.tensor.tensor_shape.SetInParent()
    value.tensor.float_val.append(0)
    return event


def main():
    events = [
        Event(wall_time=1700000000.0, file_version="brain.Event:2"),
        Event(wall_time=1700000000.5, step=41, session_log=SessionLog(status=SessionLog.START)),
        scalars(),
        text(),
        hparams(),
    ]
    with open(Path(__file__).parent / "tensorboard.tfevents", "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
