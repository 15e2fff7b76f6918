import subprocess

subprocess.run(["mcumgr", "-c", "usb", "image", "upload", "-n", "1", "net.bin"])
