"""What the workloads of the story and the story itself share."""
