"""The main job, watched: from `kubectl apply` to an answer on /chat, and everything given back."""
