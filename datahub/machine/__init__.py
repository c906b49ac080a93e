"""What any door may need of this machine: processes, disk, installed files, objects in a folder."""
