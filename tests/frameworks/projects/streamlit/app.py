import streamlit as st

st.title("streamlit here")
name = st.text_input("name")
if name:
    st.write(f"hello {name}")
file = st.file_uploader("in")
if file is not None:
    text = file.read().decode()
    st.write(f"uploaded: {text}")
    st.download_button("out", text.upper(), file_name="made.txt")
