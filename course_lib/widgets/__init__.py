"""What a reader plays with on a page without a kernel: `player` (sliders over pictures), `quiz` (explained answers).

Each is one piece of HTML in a sandboxed frame, the same in JupyterLab, Colab, the book, slides and a saved file.
"""
