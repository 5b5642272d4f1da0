import os
from pathlib import Path

import gradio as gr
from fastapi import FastAPI


def greet(name):
    return f"hello {name}"


def lower(file):
    made = Path(file).with_name("made.txt")
    made.write_text(Path(file).read_text().upper())
    return str(made)


with gr.Blocks(analytics_enabled=False) as demo:
    name = gr.Textbox(label="name")
    greeting = gr.Textbox(label="greeting")
    gr.Button("greet").click(greet, name, greeting)
    file = gr.File(label="in")
    made = gr.File(label="out")
    file.upload(lower, file, made)

app = gr.mount_gradio_app(FastAPI(), demo, path="/", root_path=os.environ["BASE_PATH"].rstrip("/"))
