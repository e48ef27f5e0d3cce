"""Views of people, joined."""

import torch

from deformgan.pair import View


def test_joined_views_are_one_after_the_other_images_and_poses_alike(people):
    views = [
        View(torch.rand(count, 3, 8, 4), people(count, (8, 4), seed=count, hidden=0.3))
        for count in (2, 1, 3)
    ]
    joined = View.cat(views)
    assert joined.image.shape == (6, 3, 8, 4)
    first = 0
    for view in views:
        some = slice(first, first + len(view.image))
        assert torch.equal(joined.image[some], view.image)
        assert torch.equal(joined.pose.joints[some], view.pose.joints)
        assert torch.equal(joined.pose.visible[some], view.pose.visible)
        first += len(view.image)


def test_one_view_joined_is_itself_and_keeps_its_gradient(people):
    image = torch.rand(2, 3, 8, 4, requires_grad=True)
    joined = View.cat([View(image, people(2, (8, 4)))])
    assert torch.equal(joined.image, image)
    joined.image.sum().backward()
    assert torch.equal(image.grad, torch.ones_like(image))
