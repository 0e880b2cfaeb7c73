"""Routers score experts for queries; gates turn scores into decisions."""
